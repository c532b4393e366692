// Package settings finds what a command must know to reach the house, and what a server process is told: by flag, else
// from the environment, else from an env file, else by default. Server lists every setting, with its bounds.
//
// It must not connect to anything, and it changes neither the environment nor a file. The files that a setting names are
// not read.
//
// Invariants:
//
//  1. A flag wins over the environment, the environment over the env file. The file never overrides what is set.
//  2. A missing or wrong setting is one line that names it and says how to set it; a server process names all at once.
//  3. Secrets are never printed, not by Show either: passwords within a URL, tokens as a whole.
package settings
