// Package lnd speaks to the development network's Lightning nodes as the outside
// world: it makes and settles invoices, pays, and opens channels.
//
// It is apart from lndclient on purpose. Tests of lndclient and of the sagas look
// at the nodes through this package, so a mistake in the one does not hide in the
// other.
package lnd
