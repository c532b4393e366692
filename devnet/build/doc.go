// Package build compiles the programs of the development network (btcd, lnd,
// the Temporal server) once, from their pinned modules under devnet/nodes, into
// the user's cache folder.
//
// It owns the cache holdfast/bin below os.UserCacheDir. It must not run what it
// builds.
//
// Invariants:
//
//  1. A file in the cache is complete: a build goes to a temporary name and is
//     renamed when it is done. Half a build is never used, and neither is what
//     cannot be a program.
//  2. A file's name contains a hash of all that it was built from; a change of
//     version, tags, sources or Go gives another name.
//  3. Two processes do not build the same program at once.
//  4. A warm cache costs no compiler run.
package build
