package worker_test

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/holdfast-pay/holdfast/codec"
	"github.com/holdfast-pay/holdfast/lndclient"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/workflows"
)

// A house in a namespace of its own, made as docs/operations.md says: payments are made there, and health asks about it.
func TestOtherNamespace(t *testing.T) {
	t.Parallel()
	f := newFleet(t, codec.Keys{})
	const name = "payments.a1b2c"
	_, err := f.temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(72 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := *f
	if elsewhere.temporal, err = f.core.Dial(t.Context(), client.Options{Namespace: name}, temporal.SearchAttributes{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(elsewhere.temporal.Close)
	elsewhere.attributes(name)

	cfg := starter.DefaultConfig(lndclient.Regtest, []string{"bank"})
	cfg.Namespace = name
	elsewhere.door = starter.New(elsewhere.temporal, f.books, cfg, slog.New(slog.DiscardHandler))

	elsewhere.run("")
	f.await("workers that serve", func() bool { return elsewhere.door.Served(t.Context()) == nil })
	if err := f.door.Served(t.Context()); !payment.IsReason(err, payment.ReasonUnavailable) {
		t.Errorf("the namespace without workers: %v", err)
	}
	invoice := f.peer.MakeInvoice(1_000).Request
	var paid payment.State
	f.await("a payment", func() bool {
		row, err := elsewhere.door.PayInvoice(t.Context(), starter.PayInvoice{
			Caller:   starter.Caller{AccountID: f.wallet.AccountID, Door: payment.DoorGo, IdempotencyKey: "once"},
			WalletID: f.wallet.ID, Invoice: invoice,
		})
		paid = row.State
		return err == nil && paid.Terminal()
	})
	if paid != payment.Settled {
		t.Errorf("the payment is %s", paid)
	}
}

// attributes creates what payments are started with.
func (f *fleet) attributes(namespace string) {
	f.t.Helper()
	types := map[string]enumspb.IndexedValueType{}
	for name, kind := range workflows.SearchAttributeTypes() {
		types[name] = map[string]enumspb.IndexedValueType{"Keyword": enumspb.INDEXED_VALUE_TYPE_KEYWORD, "Int": enumspb.INDEXED_VALUE_TYPE_INT}[kind]
	}
	f.await("the search attributes", func() bool {
		_, err := f.temporal.OperatorService().AddSearchAttributes(f.t.Context(), &operatorservice.AddSearchAttributesRequest{
			Namespace: namespace, SearchAttributes: types,
		})
		_, there := errors.AsType[*serviceerror.AlreadyExists](err)
		return err == nil || there
	})
}
