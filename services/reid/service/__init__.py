"""What the service does: embed, associate, search."""
