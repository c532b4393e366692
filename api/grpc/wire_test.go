package grpcapi_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/holdfast-pay/holdfast/payment"
)

// rawCodec sends and receives bytes as they are: what a client of others has on the wire.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = slices.Clone(data)
	return nil
}

// fields are the fields of a message by their numbers: int64 (varint) or string (length-delimited).
type fields map[protowire.Number]any

func (f fields) encode() []byte {
	var out []byte
	for _, number := range slices.Sorted(maps.Keys(f)) {
		switch v := f[number].(type) {
		case int:
			out = protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), uint64(v))
		case string:
			out = protowire.AppendString(protowire.AppendTag(out, number, protowire.BytesType), v)
		}
	}
	return out
}

func decode(wire []byte) (fields, error) {
	out := fields{}
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		wire = wire[n:]
		switch kind {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(wire)
			if n < 0 {
				return nil, protowire.ParseError(n)
			}
			out[number], wire = int(v), wire[n:]
		case protowire.BytesType:
			v, n := protowire.ConsumeString(wire)
			if n < 0 {
				return nil, protowire.ParseError(n)
			}
			out[number], wire = v, wire[n:]
		default:
			return nil, errors.New("a field of another type")
		}
	}
	return out, nil
}

// The contract by its numbers, without our protos: a client that was made from the original ones works unchanged.
func TestWireCompatibility(t *testing.T) {
	t.Parallel()
	key := newKey(t, map[payment.Window]payment.Sat{payment.Daily: 1_000, payment.Weekly: 2_000, payment.Monthly: 3_000, payment.Annual: 4_000})
	bare := newKey(t, map[payment.Window]payment.Sat{payment.Monthly: 50})
	conn := serve(t).dial(t)
	call := func(method string, request fields) (fields, error) {
		in, out := request.encode(), []byte(nil)
		err := conn.Invoke(t.Context(), "/services.api_keys.v1.ApiKeysService/"+method, &in, &out, grpc.ForceCodec(rawCodec{}))
		if err != nil {
			return nil, err
		}
		return decode(out)
	}
	wants := func(method string, request, want fields) {
		t.Helper()
		got, err := call(method, request)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s: got %v, %v; want %v", method, got, err, want)
		}
	}
	id := key.ID.String()

	got, err := call("CheckAndLockSpending", fields{1: id, 2: 100})
	lock, _ := got[1].(string)
	if err != nil || len(got) != 1 || len(lock) != 36 {
		t.Fatalf("%v, %v", got, err)
	}
	full := fields{1: 1_000, 2: 2_000, 3: 3_000, 4: 4_000, 5: 100, 6: 100, 7: 100, 8: 100, 9: 900, 10: 1_900, 11: 2_900, 12: 3_900}
	wants("GetSpendingSummary", fields{1: id}, full)
	checked := fields{1: 1} // allowed; then the same, one number further
	for number, value := range full {
		checked[number+1] = value
	}
	wants("CheckSpendingLimit", fields{1: id, 2: 900}, checked)
	delete(checked, 1) // false is not on the wire
	wants("CheckSpendingLimit", fields{1: id, 2: 901}, checked)
	wants("CheckSpendingLimit", fields{1: bare.ID.String(), 2: 1}, fields{1: 1, 4: 50, 12: 50})
	wants("GetSpendingSummary", fields{1: bare.ID.String()}, fields{3: 50, 11: 50})
	// A limit that is used up: zero remains, and it is on the wire, because the field is optional.
	wants("RecordSpending", fields{1: bare.ID.String(), 2: 60, 3: "direct " + id}, fields{})
	wants("GetSpendingSummary", fields{1: bare.ID.String()}, fields{3: 50, 5: 60, 6: 60, 7: 60, 8: 60, 11: 0})

	wants("RecordSpending", fields{1: id, 2: 100, 3: "tx " + id, 4: lock}, fields{})
	wants("RecordSpending", fields{1: id, 2: 100, 3: "tx " + id, 4: lock, 99: "what later versions add"}, fields{})
	wants("ReverseSpending", fields{1: "tx " + id}, fields{})
	wants("GetSpendingSummary", fields{1: id}, fields{1: 1_000, 2: 2_000, 3: 3_000, 4: 4_000, 9: 1_000, 10: 2_000, 11: 3_000, 12: 4_000})

	_, err = call("ReverseSpending", fields{})
	wantCode(t, err, codes.InvalidArgument)
	_, err = call("CheckAndLockSpending", fields{1: id, 2: -1}) // ten bytes of a negative int64
	wantCode(t, err, codes.InvalidArgument)
}
