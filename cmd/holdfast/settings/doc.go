// Package settings finds what a command must know to reach the house: by flag, else from the environment, else from an
// env file.
//
// It must not connect to anything, and it changes neither the environment nor a file.
//
// Invariants:
//
//  1. A flag wins over the environment, the environment over the env file. The file never overrides what is set.
//  2. A missing setting is one line that names it and says how to set it.
//  3. Values are never printed: some hold passwords.
package settings
