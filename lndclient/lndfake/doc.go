// Package lndfake is an LND network in memory for tests: nodes that implement lndclient.Node, invoices, payments, a
// mempool and a chain. Nothing happens by itself: a held payment waits for SettleInvoice or CancelInvoice, a
// transaction for Mine, an error for Fail or Block, a restart for Down and Up.
//
//	network := lndfake.New()
//	bank, peer := network.AddNode("bank"), network.AddNode("peer")
//	bank.Deposit(1_000_000)                             // confirmed on-chain funds
//	invoice := peer.MakeInvoice(1000)                   // pays at once
//	held := peer.MakeHold(1000)                         // pays when told
//	bank.Plan(invoice.Hash, lndfake.Fails(payment.ReasonNoRoute), lndfake.Settles(10)) // first fails, then pays
//	bank.Fail(lndfake.SendPayment, lndfake.AfterEffect, lndclient.KindUnknown) // the answer is lost
//	gate := bank.Block(lndfake.Publish, lndfake.BeforeEffect)                  // slow, until gate.Release()
//
// The same conformance suite (lndclient/conformance) runs against it and against real lnd.
//
// Invariants:
//
//  1. It answers as LND does: AlreadyExists for a hash in flight or paid; a Failed hash can be paid again and gets a
//     new index and creation time; only the newest attempt at a hash is listed.
//  2. SendPayment answers InFlight, LND's first word, also where the payment has its end already.
//  3. A fault after the effect leaves the effect in place; a fault before it leaves no trace.
//  4. Safe for concurrent use; watchers see changes in order.
package lndfake
