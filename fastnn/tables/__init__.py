"""Tables: reading and writing files, column types, and the encoding as network inputs."""
