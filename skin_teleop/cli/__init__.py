"""The command line `skin-teleop`: one module a verb, and the supervisor that runs a rig."""
