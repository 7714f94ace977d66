"""How each kind of job is done, a slice at a time. Workers come here through `threads.tasks`."""
