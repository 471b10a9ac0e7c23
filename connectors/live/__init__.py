"""What every live venue shares: sockets, sessions, trust, recovery. A venue adds its wire format and its rules."""
