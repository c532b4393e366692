package worker_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/holdfast-pay/holdfast/codec"
	"github.com/holdfast-pay/holdfast/ledger/ledgertest"
	"github.com/holdfast-pay/holdfast/payment"
)

// With keys, Temporal reads nothing of a payment but what it must find it by; the Temporal UI reads it through the endpoint.
func TestSealedPayment(t *testing.T) {
	t.Parallel()
	keys, err := codec.ParseKeys("one:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}
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
	opened := f.open(keys, stored.payloads)
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

// open asks the endpoint as the Temporal UI does, and answers the opened data as text.
func (f *fleet) open(keys codec.Keys, payloads []*commonpb.Payload) (text string) {
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
