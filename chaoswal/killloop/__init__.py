"""Real processes, real SIGKILL: kill a writer, recover in a new one, compare with the model, go on."""
