"""The simulated disk: images, profiles, faults, and every state a crash could leave; pure functions of a trace."""
