// Package nodetest runs clients in Node, made of libraries from npm that know nothing of Holdfast, for the tests of the
// doors and of the whole house.
//
// It owns the installation of their packages: once per lock file, in the user's cache folder. It must not change the
// folder that a client is in, and it takes only what the lock file pins.
//
// Invariants:
//
//  1. Only a machine without node skips a test. Where there is one, packages that cannot be had fail it.
package nodetest
