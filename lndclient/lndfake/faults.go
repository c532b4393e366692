package lndfake

import (
	"context"
	"sync"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// Call names a method of lndclient.Node.
type Call string

// The calls that can be made to fail or to wait.
const (
	Info              Call = "Info"
	SendPayment       Call = "SendPayment"
	LookupPayment     Call = "LookupPayment"
	FollowPayment     Call = "FollowPayment"
	LocateHTLCs       Call = "LocateHTLCs"
	ListPayments      Call = "ListPayments"
	EstimateRouteFee  Call = "EstimateRouteFee"
	ExplainNoRoute    Call = "ExplainNoRoute"
	AddInvoice        Call = "AddInvoice"
	LookupInvoice     Call = "LookupInvoice"
	CancelInvoice     Call = "CancelInvoice"
	SettleInvoice     Call = "SettleInvoice"
	NewAddress        Call = "NewAddress"
	EstimateFee       Call = "EstimateFee"
	FundPSBT          Call = "FundPSBT"
	SignPSBT          Call = "SignPSBT"
	ReleaseLeases     Call = "ReleaseLeases"
	Publish           Call = "Publish"
	LookupTransaction Call = "LookupTransaction"
	ListTransactions  Call = "ListTransactions"
	Balance           Call = "Balance"
	WatchPayments     Call = "WatchPayments"
	WatchInvoices     Call = "WatchInvoices"
	WatchTransactions Call = "WatchTransactions"
	WatchBlocks       Call = "WatchBlocks"
)

// When says on which side of a call's effect a fault strikes.
type When int

// BeforeEffect: LND never got the call. AfterEffect: it did, and its answer is lost.
const (
	BeforeEffect When = iota
	AfterEffect
)

type fault struct {
	when When
	err  error // nil: only wait
	gate *Gate
}

// Gate holds one call back.
type Gate struct {
	reached chan struct{}
	release chan struct{}
	once    sync.Once
}

// Reached is closed when the call waits at the gate.
func (g *Gate) Reached() <-chan struct{} { return g.reached }

// Release lets the call go on. It may be called more than once.
func (g *Gate) Release() { g.once.Do(func() { close(g.release) }) }

// Fail makes the next call of this name answer an error of the kind. Faults of one call queue up. KindRefused and
// the other definite answers make sense only BeforeEffect.
func (n *Node) Fail(call Call, when When, kind lndclient.ErrorKind) {
	n.addFault(call, &fault{when: when, err: failure(call, kind, "told to fail")})
}

// Refuse makes the next call of this name answer ErrRefused with the reason, without effect.
func (n *Node) Refuse(call Call, why payment.Reason) {
	n.addFault(call, &fault{when: BeforeEffect, err: refused(call, why, "told to refuse")})
}

// Block makes the next call of this name wait at a gate. When the caller's context ends first, the call answers
// ErrUnknown; what it did or did not do by then stays so.
func (n *Node) Block(call Call, when When) *Gate {
	gate := &Gate{reached: make(chan struct{}), release: make(chan struct{})}
	n.addFault(call, &fault{when: when, gate: gate})
	return gate
}

// Calls counts how often a call has been made, faulty ones included.
func (n *Node) Calls(call Call) int {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	return n.calls[call]
}

func (n *Node) addFault(call Call, f *fault) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.faults[call] = append(n.faults[call], f)
}

// do runs one call: fault before, the effect under the network's lock, fault after.
func (n *Node) do(ctx context.Context, call Call, effect func() error) error {
	f, err := n.begin(ctx, call)
	if err != nil {
		return err
	}
	if f != nil && f.when == BeforeEffect {
		if err := f.strike(ctx, call); err != nil {
			return err
		}
	}
	err = n.locked(call, effect)
	if err == nil && f != nil && f.when == AfterEffect {
		return f.strike(ctx, call)
	}
	return err
}

// begin counts the call and takes its fault, if there is one.
func (n *Node) begin(ctx context.Context, call Call) (*fault, error) {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	n.calls[call]++
	if ctx.Err() != nil {
		return nil, &lndclient.Error{Kind: lndclient.KindUnknown, Call: string(call), Cause: ctx.Err()}
	}
	if n.down {
		return nil, failure(call, lndclient.KindUnavailable, "the node is down")
	}
	queue := n.faults[call]
	if len(queue) == 0 {
		return nil, nil
	}
	n.faults[call] = queue[1:]
	return queue[0], nil
}

// locked runs the effect, unless the node went down while the call waited.
func (n *Node) locked(call Call, effect func() error) error {
	n.network.mu.Lock()
	defer n.network.mu.Unlock()
	if n.down {
		return failure(call, lndclient.KindUnavailable, "the node is down")
	}
	return effect()
}

func (f *fault) strike(ctx context.Context, call Call) error {
	if f.gate == nil {
		return f.err
	}
	close(f.gate.reached)
	select {
	case <-f.gate.release:
		return f.err
	case <-ctx.Done():
		return &lndclient.Error{Kind: lndclient.KindUnknown, Call: string(call), Cause: ctx.Err()}
	}
}
