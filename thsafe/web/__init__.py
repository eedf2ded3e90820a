"""What thsafe answers over HTTP, on this machine unless its owner puts it elsewhere."""
