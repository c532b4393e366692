package historytest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/sdk/client"
)

// RecordRun writes the history of a run of a workflow to a file; an empty run id means the newest. The workflow may still
// run: then the history so far is written, which can be replayed as well. The folder of the file must exist.
func RecordRun(ctx context.Context, temporal client.Client, workflowID, runID, path string) error {
	history, err := read(ctx, temporal, workflowID, runID)
	if err != nil {
		return err
	}
	text, err := temporalproto.CustomJSONMarshalOptions{Indent: "  "}.Marshal(history)
	if err != nil {
		return err
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(fresh.Name()) }() // gone if it was renamed
	if _, err := fresh.Write(append(text, '\n')); err != nil {
		return err
	}
	if err := fresh.Chmod(0o644); err != nil {
		return err
	}
	if err := fresh.Close(); err != nil {
		return err
	}
	return os.Rename(fresh.Name(), path)
}

// read reads the history of a run as far as it is.
func read(ctx context.Context, temporal client.Client, workflowID, runID string) (*historypb.History, error) {
	events := temporal.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	history := &historypb.History{}
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("history of %s: %w", workflowID, err)
		}
		history.Events = append(history.Events, event)
	}
	return history, nil
}
