package codec

import (
	"context"
	"errors"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"
)

// unopened is why a sealed payload does not open: what it holds is unknown, not wrong.
type unopened string

func (u unopened) Error() string { return "codec: " + string(u) }

// values are what a client and its workers convert with. In a workflow what does not open is no answer.
type values struct {
	converter.DataConverter
}

var _ workflow.ContextAware = values{}

// WithWorkflowContext is what the SDK takes inside a workflow.
func (v values) WithWorkflowContext(workflow.Context) converter.DataConverter { return waiting(v) }

// WithContext is what the SDK takes everywhere else.
func (v values) WithContext(context.Context) converter.DataConverter { return v }

// waiting breaks off the task of a workflow that meets what does not open, so that Temporal tries it again, here or on a
// worker that has the key. An error would be taken for one of the step that was asked, and, of the request, end the workflow.
type waiting struct {
	converter.DataConverter
}

func (w waiting) FromPayload(payload *commonpb.Payload, into any) error {
	return orWait(w.DataConverter.FromPayload(payload, into))
}

func (w waiting) FromPayloads(payloads *commonpb.Payloads, into ...any) error {
	return orWait(w.DataConverter.FromPayloads(payloads, into...))
}

func orWait(err error) error {
	if _, closed := errors.AsType[unopened](err); closed {
		panic(err)
	}
	return err
}
