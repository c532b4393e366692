package lndfake

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/btcsuite/btcd/btcec/v2/ecdsa"
	"github.com/btcsuite/btcd/chaincfg/chainhash"
	"github.com/lightningnetwork/lnd/lnwire"
	"github.com/lightningnetwork/lnd/zpay32"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// incoming is an invoice of a node.
type incoming struct {
	owner    *Node
	record   lndclient.Invoice
	hold     bool
	preimage [32]byte // zero for a hold invoice that is not settled
	fee      payment.Msat
}

// MadeInvoice is an invoice with what its maker knows.
type MadeInvoice struct {
	lndclient.Invoice
	Preimage [32]byte
}

// MakeInvoice makes an invoice that is paid at once, valid for an hour; sat 0 leaves the amount to the payer.
func (n *Node) MakeInvoice(sat payment.Sat) MadeInvoice {
	return n.make(lndclient.AddInvoice{Amount: sat.MustMsat(), Memo: "made by " + n.alias, Expiry: time.Hour}, random32())
}

// MakeHold makes a hold invoice: its payer waits for SettleInvoice with the preimage, or CancelInvoice.
func (n *Node) MakeHold(sat payment.Sat) MadeInvoice {
	preimage := random32()
	add := lndclient.AddInvoice{Amount: sat.MustMsat(), Memo: "held by " + n.alias, Expiry: time.Hour, Hash: sha256.Sum256(preimage[:])}
	return n.make(add, preimage)
}

// MakeExpired makes an invoice that expired a minute ago.
func (n *Node) MakeExpired(sat payment.Sat) MadeInvoice {
	return n.make(lndclient.AddInvoice{Amount: sat.MustMsat(), Memo: "expired", Expiry: -time.Minute}, random32())
}

func (n *Node) make(add lndclient.AddInvoice, preimage [32]byte) MadeInvoice {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	made, err := n.addInvoice(add, preimage)
	if err != nil {
		panic("lndfake: " + err.Error())
	}
	return MadeInvoice{Invoice: made.record, Preimage: preimage}
}

// AddInvoice makes an invoice, or a hold invoice where the hash is given.
func (n *Node) AddInvoice(ctx context.Context, add lndclient.AddInvoice) (lndclient.Invoice, error) {
	var made lndclient.Invoice
	err := n.do(ctx, AddInvoice, func() error {
		if add.Amount < 0 {
			return refused(AddInvoice, payment.ReasonInvalidAmount, "amount must not be negative")
		}
		invoice, err := n.addInvoice(add, random32())
		if err != nil {
			return err
		}
		made = invoice.record
		return nil
	})
	return made, err
}

func (n *Node) addInvoice(add lndclient.AddInvoice, preimage [32]byte) (*incoming, error) {
	hash, hold := add.Hash, !add.Hash.IsZero()
	if !hold {
		hash = sha256.Sum256(preimage[:])
	}
	if n.invoices[hash] != nil {
		return nil, failure(AddInvoice, lndclient.KindAlreadyExists, "invoice with payment hash already exists")
	}
	expiry := add.Expiry
	created := n.network.now().Truncate(time.Second)
	switch {
	case expiry == 0:
		expiry = time.Hour
	case expiry < 0: // MakeExpired
		created, expiry = created.Add(expiry-time.Second), time.Second
	}
	request, err := n.encode(hash, add, created, expiry)
	if err != nil {
		return nil, err
	}
	n.addIndex++
	invoice := &incoming{owner: n, hold: hold, fee: defaultFee, record: lndclient.Invoice{
		Hash: hash, Request: request, Amount: add.Amount, Memo: add.Memo, State: lndclient.InvoiceOpen,
		AddIndex: n.addIndex, CreatedAt: created, ExpiresAt: created.Add(expiry),
	}}
	if !hold {
		invoice.preimage, invoice.record.Preimage = preimage, preimage
	}
	n.invoices[hash] = invoice
	return invoice, nil
}

// encode makes a real BOLT 11 invoice, signed by the node.
func (n *Node) encode(hash payment.Hash, add lndclient.AddInvoice, created time.Time, expiry time.Duration) (string, error) {
	features := lnwire.NewFeatureVector(lnwire.NewRawFeatureVector(
		lnwire.TLVOnionPayloadRequired, lnwire.PaymentAddrRequired, lnwire.MPPOptional), lnwire.Features)
	options := []func(*zpay32.Invoice){
		zpay32.Expiry(expiry), zpay32.CLTVExpiry(80),
		zpay32.PaymentAddr(random32()), zpay32.Features(features),
	}
	if add.DescriptionHash == ([32]byte{}) {
		options = append(options, zpay32.Description(add.Memo))
	} else {
		options = append(options, zpay32.DescriptionHash(add.DescriptionHash))
	}
	if add.Amount > 0 {
		options = append(options, zpay32.Amount(lnwire.MilliSatoshi(add.Amount)))
	}
	invoice, err := zpay32.NewInvoice(regtest(), hash, created, options...)
	if err != nil {
		return "", fmt.Errorf("build an invoice: %w", err)
	}
	return invoice.Encode(zpay32.MessageSigner{SignCompact: func(msg []byte) ([]byte, error) {
		return ecdsa.SignCompact(n.key, chainhash.HashB(msg), true), nil
	}})
}

// receiver finds the invoice of a hash on any node.
func (n *Network) receiver(hash payment.Hash) *incoming {
	for _, node := range n.nodes {
		if invoice := node.invoices[hash]; invoice != nil {
			return invoice
		}
	}
	return nil
}

// accept takes the HTLC; false where the invoice is not open or has expired.
func (i *incoming) accept(network *Network, amount payment.Msat) bool {
	if i.record.State != lndclient.InvoiceOpen || network.now().After(i.record.ExpiresAt) || amount < i.record.Amount {
		return false
	}
	i.record.State, i.record.Received = lndclient.InvoiceAccepted, amount
	return true
}

func (i *incoming) settle(network *Network) {
	if i.record.State == lndclient.InvoiceSettled {
		return
	}
	i.owner.settleIndex++
	i.record.State, i.record.SettleIndex = lndclient.InvoiceSettled, i.owner.settleIndex
	i.record.SettledAt = network.now()
	i.owner.announceInvoice(i)
}

// payer finds the attempt that is in flight for a hash.
func (n *Network) payer(hash payment.Hash) (*Node, *outgoing) {
	for _, node := range n.nodes {
		if p := node.payments[hash]; p != nil && !p.record.Terminal() && !p.stranded {
			return node, p
		}
	}
	return nil, nil
}

// ReceivePayment lets somebody outside the network pay an invoice of this node: settled at once, or accepted where it
// is a hold invoice. The amount in msat is used for an invoice without one.
func (n *Node) ReceivePayment(hash payment.Hash, amount payment.Msat) error {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	invoice := n.invoices[hash]
	if invoice == nil {
		return words("no such invoice")
	}
	if !invoice.accept(n.network, max(amount, invoice.record.Amount)) {
		return words("the invoice is " + string(invoice.record.State) + " or expired")
	}
	if !invoice.hold {
		invoice.settle(n.network)
	}
	return nil
}

// LookupInvoice reads one.
func (n *Node) LookupInvoice(ctx context.Context, hash payment.Hash) (lndclient.Invoice, error) {
	var found lndclient.Invoice
	err := n.do(ctx, LookupInvoice, func() error {
		invoice := n.invoices[hash]
		if invoice == nil {
			return failure(LookupInvoice, lndclient.KindNotFound, "unable to locate invoice")
		}
		found = invoice.record
		return nil
	})
	return found, err
}

// CancelInvoice makes the invoice unpayable and gives a held HTLC back.
func (n *Node) CancelInvoice(ctx context.Context, hash payment.Hash) error {
	return n.do(ctx, CancelInvoice, func() error {
		invoice := n.invoices[hash]
		if invoice == nil {
			return failure(CancelInvoice, lndclient.KindNotFound, "unable to locate invoice")
		}
		switch invoice.record.State {
		case lndclient.InvoiceCanceled:
			return nil
		case lndclient.InvoiceSettled:
			return failure(CancelInvoice, lndclient.KindAlreadyExists, "invoice already settled")
		}
		invoice.record.State, invoice.record.Received = lndclient.InvoiceCanceled, 0
		if node, p := n.network.payer(hash); p != nil {
			node.failInFlight(p, payment.ReasonRejected)
		}
		return nil
	})
}

// SettleInvoice reveals the preimage of a hold invoice whose HTLC has arrived.
func (n *Node) SettleInvoice(ctx context.Context, preimage [32]byte) error {
	return n.do(ctx, SettleInvoice, func() error {
		hash := payment.Hash(sha256.Sum256(preimage[:]))
		invoice := n.invoices[hash]
		if invoice == nil {
			return failure(SettleInvoice, lndclient.KindNotFound, "unable to locate invoice")
		}
		switch invoice.record.State {
		case lndclient.InvoiceSettled:
			return nil
		case lndclient.InvoiceCanceled:
			return refused(SettleInvoice, payment.ReasonInvoiceCanceled, "invoice already canceled")
		case lndclient.InvoiceOpen:
			return refused(SettleInvoice, "", "invoice still open")
		}
		invoice.preimage, invoice.record.Preimage = preimage, preimage
		invoice.settle(n.network)
		if node, p := n.network.payer(hash); p != nil {
			node.succeed(p, preimage)
		}
		return nil
	})
}
