// Package devnet runs a private network on loopback for development and tests:
// Postgres, an embedded Temporal server with its UI, a Bitcoin regtest chain
// (btcd) and three Lightning nodes (lnd) with funded channels.
//
//	bank (ours) ── 10 M sat, balanced ── alice ── 10 M sat, balanced ── bob
//
// It owns the processes, their ports, their state below Config.Dir and the steps
// that bring them up. It must not know what Holdfast does with the network: it is
// the outside world, keeps small clients of its own, and imports no other package
// of Holdfast. The product runs on it as an extra Process.
//
// Invariants:
//
//  1. A network's state lives in its Dir. A second start keeps chain, channels
//     and databases; Remove starts afresh, also on a database server of somebody
//     else, where the network has databases of its own.
//  2. One supervisor per Dir. Processes left over from a killed one are ended
//     before new ones start.
//  3. No step waits for ever: each has a deadline and fails with the name of the
//     process and the last lines of its log.
//  4. Two networks never share a port, a p2p address or a database.
//  5. Stop ends every process in the order in which others need them: extras,
//     Temporal, the Lightning nodes, btcd, Postgres. No process outlives the
//     supervisor.
//  6. A snapshot is taken from stopped nodes and never used half-written, or with
//     parts missing.
package devnet
