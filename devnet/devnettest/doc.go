// Package devnettest gives a test package a private network of its own: real Postgres, Temporal, btcd and three lnds on
// free ports, in a folder that is removed afterwards.
//
// It owns the network's life around TestMain and nothing of what tests do with it. It must not be imported outside tests.
//
// Invariants:
//
//  1. One network per test process; tests share it, and those that stop parts of it bring them back.
//  2. After Main nothing is left: no process, no folder, also when a test panics or times out. Only if the tests have not
//     passed their network's logs stay, in one folder per package under $HOLDFAST_TEST_LOGS or the temporary folder.
package devnettest
