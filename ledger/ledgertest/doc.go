// Package ledgertest gives tests a ledger of their own in a real Postgres.
//
// It owns one throw-away server per test package (or uses HOLDFAST_TEST_DATABASE_URL, a superuser's URL) and one
// database per test, cloned from a migrated template. It must not be imported outside tests. A server of yours with
// fsync = off must also have holdfast.throw_away = on, or the ledger refuses it.
//
// Invariants:
//
//  1. Tests cannot see each other: a database belongs to one test and is dropped at its end.
//  2. After Main nothing is left: no server, no folder, no template.
package ledgertest
