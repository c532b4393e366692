package codec

import (
	"crypto/rand"
	"errors"
	"fmt"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/proto"
)

// How a sealed payload is marked.
const (
	encoding  = "binary/holdfast-sealed"
	keyMarker = "holdfast-key"
)

// Converters are what a Temporal client needs: values go through the keys, and so do the texts of failures. Without keys they
// are the SDK's own.
func (k Keys) Converters() (converter.DataConverter, converter.FailureConverter) {
	plain := converter.GetDefaultDataConverter()
	if k.None() {
		return plain, temporal.GetDefaultFailureConverter()
	}
	sealing := converter.NewCodecDataConverter(plain, k)
	return sealing, temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{DataConverter: sealing, EncodeCommonAttributes: true})
}

// Encode seals payloads (converter.PayloadCodec).
func (k Keys) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if k.None() {
		return payloads, nil
	}
	out := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		plain, err := proto.Marshal(payload)
		if err != nil {
			return nil, fmt.Errorf("codec: %w", err)
		}
		box := k.boxes[k.first]
		nonce := make([]byte, box.NonceSize(), box.NonceSize()+len(plain)+box.Overhead())
		_, _ = rand.Read(nonce) // never fails: it ends the program instead
		out[i] = &commonpb.Payload{
			Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding), keyMarker: []byte(k.first)},
			Data:     box.Seal(nonce, nonce, plain, []byte(k.first)),
		}
	}
	return out, nil
}

// Decode opens payloads; what is not sealed passes through.
func (k Keys) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	out := make([]*commonpb.Payload, len(payloads))
	for i, payload := range payloads {
		opened, err := k.open(payload)
		if err != nil {
			return nil, err
		}
		out[i] = opened
	}
	return out, nil
}

func (k Keys) open(payload *commonpb.Payload) (*commonpb.Payload, error) {
	if string(payload.GetMetadata()[converter.MetadataEncoding]) != encoding {
		return payload, nil
	}
	id := payload.GetMetadata()[keyMarker]
	box, known := k.boxes[string(id)]
	if !known {
		return nil, fmt.Errorf("codec: there is no key %q: add it to HOLDFAST_PAYLOAD_KEYS", id)
	}
	if len(payload.Data) < box.NonceSize() {
		return nil, errors.New("codec: a sealed payload is too short")
	}
	plain, err := box.Open(nil, payload.Data[:box.NonceSize()], payload.Data[box.NonceSize():], id)
	if err != nil {
		return nil, fmt.Errorf("codec: a payload does not open with key %q", id)
	}
	opened := &commonpb.Payload{}
	if err := proto.Unmarshal(plain, opened); err != nil {
		return nil, fmt.Errorf("codec: %w", err)
	}
	return opened, nil
}
