// Package postgres runs a private PostgreSQL server from the machine's own
// binaries, for development and tests.
//
// It owns one cluster in one directory. It must not know which databases and
// schemas others put into it, and is not for production.
//
// Invariants:
//
//  1. The server listens on 127.0.0.1 only and has no Unix socket.
//  2. A cluster exists completely or not at all: initdb works in a temporary
//     folder that is renamed when it is done.
//  3. One supervisor per directory: a lock file tells a running one from a
//     killed one, whose postmaster is stopped before ours starts.
//  4. Start never hangs: it ends ready, or with an error and the log's last lines.
//  5. As root, the server runs as an unprivileged user.
package postgres
