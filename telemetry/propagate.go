package telemetry

import (
	"context"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/workflow"
)

// headerField carries the request id in Temporal's headers: of a workflow, its activities, its updates and signals.
const headerField = "holdfast-request-id"

// Propagator carries the request id through Temporal. It is for client.Options of every process, since one that lacks it
// drops the id.
func Propagator() workflow.ContextPropagator { return propagator{} }

type propagator struct{}

// Inject writes the id of a caller's context.
func (propagator) Inject(ctx context.Context, header workflow.HeaderWriter) error {
	write(header, RequestID(ctx))
	return nil
}

// InjectFromWorkflow writes the id of a workflow's context, for its activities.
func (propagator) InjectFromWorkflow(ctx workflow.Context, header workflow.HeaderWriter) error {
	write(header, workflowRequestID(ctx))
	return nil
}

// Extract reads it into the context of an activity.
func (propagator) Extract(ctx context.Context, header workflow.HeaderReader) (context.Context, error) {
	if id := read(header); id != "" {
		ctx = WithRequestID(ctx, id)
	}
	return ctx, nil
}

// ExtractToWorkflow reads it into the context of a workflow.
func (propagator) ExtractToWorkflow(ctx workflow.Context, header workflow.HeaderReader) (workflow.Context, error) {
	if id := read(header); id != "" {
		ctx = workflow.WithValue(ctx, requestIDKey{}, id)
	}
	return ctx, nil
}

func workflowRequestID(ctx workflow.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// write stores the bare text and not a payload of the data converter: a codec that encrypts payloads must not hide it.
func write(header workflow.HeaderWriter, id string) {
	if id != "" {
		header.Set(headerField, &commonpb.Payload{Metadata: map[string][]byte{"encoding": []byte("json/plain")}, Data: []byte(`"` + id + `"`)})
	}
}

// read drops what is not sane: a header is outside input as well.
func read(header workflow.HeaderReader) string {
	payload, found := header.Get(headerField)
	if !found {
		return ""
	}
	text := string(payload.GetData())
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' || !SaneRequestID(text[1:len(text)-1]) {
		return ""
	}
	return text[1 : len(text)-1]
}
