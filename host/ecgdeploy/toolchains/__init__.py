"""Programs that turn a project folder into an image: finding them, running them, reading what they say."""
