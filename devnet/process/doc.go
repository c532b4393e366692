// Package process runs the children of a development network: one operating
// system process each, with a log file, a pid file and an end that is certain.
//
// It owns starting, stopping and finding stale processes. It must not know what
// a child does, when it is ready, or on which ports it listens.
//
// Invariants:
//
//  1. A child does not outlive its supervisor: on Linux the kernel sends it
//     DeathSignal when the supervisor dies, however it dies.
//  2. A process left over from an earlier run is ended only if both its id and
//     its start time match the pid file: a reused id is never signaled.
//  3. Stop is bounded: after its grace period the child is killed.
//  4. A child has a process group of its own, so that a Ctrl-C in the terminal
//     reaches the supervisor only, which then stops the children in order.
package process
