"""What stands behind the ports. Each family is picked by URL scheme; only `web` opens this drawer."""
