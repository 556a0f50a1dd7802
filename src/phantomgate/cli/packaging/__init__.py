"""What `phantomgate package` puts into a zip for AWS Lambda, one file a matter."""
