"""Who is who: motion on the floor, appearance, evidence and assignment."""
