// Package show is how the command line answers: tables for people, JSON for programs, exit codes for scripts.
//
// It must not read or change anything: it is given what to print.
//
// Invariants:
//
//  1. JSON field names are stable, snake_case, and carry the unit; amounts are integers, times RFC 3339 in UTC.
//  2. An error's cause never reaches the user's output; it is for the log at level debug.
//  3. Exit codes are one table (exit.go), documented in `holdfast --help`.
package show
