"""Real file systems on loop images that lose their power when told to, and traces done to them."""
