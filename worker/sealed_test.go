package worker_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/holdfast-pay/holdfast/codec"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/starter"
	"github.com/holdfast-pay/holdfast/workflows"
)

// sealing is a key for each id, the first of which seals.
func sealing(t *testing.T, ids ...string) codec.Keys {
	t.Helper()
	var pairs []string
	for _, id := range ids {
		pairs = append(pairs, id+":"+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte(id[:1]), 32)))
	}
	keys, err := codec.ParseKeys(strings.Join(pairs, ","))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// With keys, Temporal reads nothing of a payment but what it must find it by; the Temporal UI reads it through the endpoint.
func TestSealedPayment(t *testing.T) {
	t.Parallel()
	keys := sealing(t, "one")
	f := newFleet(t, keys)
	f.run("")
	var row struct{ id, invoice string }
	f.await("a payment", func() bool {
		invoice := f.peer.MakeInvoice(5_000).Request
		paid := f.pay(invoice)
		row.id, row.invoice = paid.ID.String(), invoice
		return paid.State == payment.Settled
	})

	stored := f.history(row.id)
	if len(stored.payloads) == 0 {
		t.Fatal("the history has no payloads")
	}
	for _, word := range []string{row.invoice, base64.StdEncoding.EncodeToString([]byte(row.invoice))[:40], "made by peer", "5,000 sat"} {
		if strings.Contains(stored.text, word) {
			t.Errorf("Temporal can read %q", word)
		}
	}
	opened := f.read(keys, stored.payloads)
	for _, word := range []string{row.invoice, "5,000 sat"} { // the request, and the summary for the UI
		if !strings.Contains(opened, word) {
			t.Errorf("the endpoint does not open what has %q", word)
		}
	}
	ledgertest.Balanced(t, f.books)
}

type stored struct {
	text     string // as Temporal has it
	payloads []*commonpb.Payload
}

// history collects every payload of a workflow's history.
func (f *fleet) history(id string) (all stored) {
	f.t.Helper()
	events := f.temporal.GetWorkflowHistory(f.t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			f.t.Fatal(err)
		}
		text, err := protojson.Marshal(event)
		if err != nil {
			f.t.Fatal(err)
		}
		all.text += string(text)
		collect(event.ProtoReflect(), &all.payloads)
	}
	return all
}

func collect(m protoreflect.Message, into *[]*commonpb.Payload) {
	if payload, ok := m.Interface().(*commonpb.Payload); ok {
		*into = append(*into, payload)
		return
	}
	if _, ok := m.Interface().(*anypb.Any); ok {
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool { collect(v.Message(), into); return true })
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				collect(value.List().Get(i).Message(), into)
			}
		case field.Message() != nil && !field.IsMap() && !field.IsList():
			collect(value.Message(), into)
		}
		return true
	})
}

// read asks the endpoint as the Temporal UI does, and answers the opened data as text.
func (f *fleet) read(keys codec.Keys, payloads []*commonpb.Payload) (text string) {
	f.t.Helper()
	server := httptest.NewServer(keys.Handler(nil))
	defer server.Close()
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: payloads})
	if err != nil {
		f.t.Fatal(err)
	}
	response, err := http.Post(server.URL+"/decode", "application/json", bytes.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	answer := new(bytes.Buffer)
	if _, err := answer.ReadFrom(response.Body); err != nil {
		f.t.Fatal(err)
	}
	var opened commonpb.Payloads
	if err := protojson.Unmarshal(answer.Bytes(), &opened); err != nil {
		f.t.Fatalf("%v: %s", err, answer)
	}
	for _, payload := range opened.Payloads {
		text += string(payload.Data) + "\n"
	}
	return text
}

// A worker that has not got the key yet leaves sealed payments alone: they wait for one that has it.
func TestSealedPaymentsWaitForTheKey(t *testing.T) {
	t.Parallel()
	keys := sealing(t, "one")
	f := newFleet(t, keys)
	stop := f.with(codec.Keys{}).run("")
	f.await("readiness", func() bool { return f.door.Served(t.Context()) == nil })
	ask := starter.PayInvoice{
		Caller: starter.Caller{AccountID: f.wallet.AccountID, Door: payment.DoorGo, IdempotencyKey: "once"}, WalletID: f.wallet.ID, Invoice: f.peer.MakeInvoice(5_000).Request,
	}
	row, err := f.door.PayInvoice(t.Context(), ask)
	if err != nil || row.State != payment.Pending {
		t.Errorf("without the key: %s %+v, %v", row.State, row.Failure, err)
	}
	// A caller told that another body has his idempotency key would pay again under a new one.
	if _, err := f.with(sealing(t, "two")).door.PayInvoice(t.Context(), ask); !payment.IsReason(err, payment.ReasonOutcomeUnknown) {
		t.Errorf("repeated at a door with another key: %v", err)
	}
	if got := f.status(row.ID.String()); got != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		t.Errorf("without the key its workflow is %s", got)
	}
	stop()
	f.run("")
	f.await("the payment", func() bool {
		paid, err := f.books.Payment(t.Context(), row.ID)
		return err == nil && paid.State == payment.Settled
	})
	ledgertest.Balanced(t, f.books)
}

// A key is changed and the old one dropped: the schedule, which is never made again, is sealed with the new one.
func TestScheduleFollowsTheKeys(t *testing.T) {
	t.Parallel()
	f := newFleet(t, sealing(t, "old"))
	f.schedule("old")
	f.with(sealing(t, "new", "old")).schedule("new")
}

// schedule is made sure of, and then sealed with a key.
func (f *fleet) schedule(key string) {
	f.t.Helper()
	if err := f.door.EnsureReconcile(f.t.Context(), time.Hour); err != nil {
		f.t.Fatal(err)
	}
	described, err := f.temporal.ScheduleClient().GetHandle(f.t.Context(), workflows.ReconcileID).Describe(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	for _, arg := range described.Schedule.Action.(*client.ScheduleWorkflowAction).Args {
		if got := string(arg.(*commonpb.Payload).Metadata["holdfast-key"]); got != key {
			f.t.Errorf("sealed with %q, want %q", got, key)
		}
	}
}

func (f *fleet) status(id string) enumspb.WorkflowExecutionStatus {
	described, err := f.temporal.DescribeWorkflowExecution(f.t.Context(), id, "")
	if err != nil {
		f.t.Fatal(err)
	}
	return described.GetWorkflowExecutionInfo().GetStatus()
}
