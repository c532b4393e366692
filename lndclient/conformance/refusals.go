package conformance

import (
	"testing"
	"time"

	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
)

// checkRefusals: what LND refuses before it registers anything leaves no trace.
func checkRefusals(t *testing.T, w World) {
	node := w.Node()
	own, err := node.AddInvoice(t.Context(), lndclient.AddInvoice{Amount: 1_000_000, Expiry: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name    string
		request string
		amount  payment.Msat
		why     payment.Reason
	}{
		{"expired", w.ExpiredInvoice(t), 0, payment.ReasonInvoiceExpired},
		{"to itself", own.Request, 0, payment.ReasonSelfPayment},
		{"amount missing", w.PeerInvoice(t, 0), 0, payment.ReasonInvalidAmount},
		{"amount given twice", w.PeerInvoice(t, 1000), 1_000_000, payment.ReasonInvalidAmount},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := node.SendPayment(t.Context(), lndclient.SendPayment{
				Invoice: row.request, Amount: row.amount, FeeLimit: 10_000, PathfindingTimeout: time.Second,
			})
			wantKind(t, "send", err, lndclient.ErrRefused, row.why)
			_, err = node.LookupPayment(t.Context(), decode(t, row.request).Hash)
			wantKind(t, "a refused payment", err, lndclient.ErrNotFound, "")
		})
	}
	t.Run("garbage", func(t *testing.T) {
		_, err := send(t, node, "lnbcrt1garbage")
		wantKind(t, "send", err, lndclient.ErrRefused, payment.ReasonInvoiceInvalid)
	})
	t.Run("unknown things", func(t *testing.T) {
		hash := randomHash()
		_, err := node.LookupPayment(t.Context(), hash)
		wantKind(t, "payment", err, lndclient.ErrNotFound, "")
		_, err = node.FollowPayment(t.Context(), hash)
		wantKind(t, "follow", err, lndclient.ErrNotFound, "")
		_, err = node.LookupInvoice(t.Context(), hash)
		wantKind(t, "invoice", err, lndclient.ErrNotFound, "")
		wantKind(t, "cancel", node.CancelInvoice(t.Context(), hash), lndclient.ErrNotFound, "")
		wantKind(t, "settle", node.SettleInvoice(t.Context(), hash), lndclient.ErrNotFound, "")
		_, err = node.LookupTransaction(t.Context(), hash.String())
		wantKind(t, "transaction", err, lndclient.ErrNotFound, "")
	})
}

// checkRoutes: no route, a fee limit that excludes the routes, and too little liquidity.
func checkRoutes(t *testing.T, w World) {
	node := w.Node()
	t.Run("no route", func(t *testing.T) {
		stray := decode(t, strayInvoice(t, 1000))
		mustSend(t, node, stray.Request)
		if ended := finish(t, node, stray.Hash); ended.Status != lndclient.Failed || ended.Failure != payment.ReasonNoRoute {
			t.Errorf("end: %+v", ended)
		}
		_, err := node.EstimateRouteFee(t.Context(), stray.Request, 0)
		wantKind(t, "estimate", err, lndclient.ErrNotFound, "")
		reason, err := node.ExplainNoRoute(t.Context(), stray.Request, 0, 1000)
		if err != nil || reason != payment.ReasonNoRoute {
			t.Errorf("explained as %s, %v", reason, err)
		}
	})
	t.Run("fee limit", func(t *testing.T) {
		dear := decode(t, w.DearInvoice(t, 1000))
		fee, err := node.EstimateRouteFee(t.Context(), dear.Request, 0)
		if err != nil || fee <= 0 {
			t.Fatalf("estimate: %v, %v", fee, err)
		}
		pay := lndclient.SendPayment{Invoice: dear.Request, FeeLimit: fee - 1, PathfindingTimeout: 20 * time.Second}
		if _, err := node.SendPayment(t.Context(), pay); err != nil {
			t.Fatal(err)
		}
		if ended := finish(t, node, dear.Hash); ended.Failure != payment.ReasonNoRoute {
			t.Errorf("under the limit: %+v", ended)
		}
		if reason, err := node.ExplainNoRoute(t.Context(), dear.Request, 0, fee-1); err != nil || reason != payment.ReasonFeeOverLimit {
			t.Errorf("explained as %s, %v", reason, err)
		}
		pay.FeeLimit = fee
		if _, err := node.SendPayment(t.Context(), pay); err != nil {
			t.Fatal(err)
		}
		if ended := finish(t, node, dear.Hash); ended.Status != lndclient.Succeeded || ended.Fee != fee {
			t.Errorf("at the limit: %+v, want fee %v", ended, fee)
		}
	})
	t.Run("liquidity", func(t *testing.T) {
		large := decode(t, w.PeerInvoice(t, 50_000_000))
		mustSend(t, node, large.Request)
		if ended := finish(t, node, large.Hash); ended.Status != lndclient.Failed || ended.Failure != payment.ReasonNodeFunds {
			t.Errorf("end: %+v", ended)
		}
	})
}
