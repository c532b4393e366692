package workflows_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
)

const histories = "testdata/histories"

// Every kind has a recorded history: the file is named after it, with a suffix where there are more.
var recordedKinds = []string{
	"lightning-settled", "lightning-hold-canceled", "lightning-refused", "onchain-settled", "onchain-rejected", "onchain-bumped", "onchain-taken-back",
	"intraledger-transfer", "intraledger-own-invoice", "watchnode", "reconcile", "reconcilenode", "createinvoice", "createaddress", "cancelinvoice", "probefee", "estimatefee",
	"lock-recorded", "lock-released", "lock-refused", "lock-canceled",
	"callback-delivered", "callback-retried", "callback-given-up", "callback-canceled", "dispatchcallbacks",
}

// Rule 14: the code of today takes every decision of a recorded history again (invariant 8).
func TestReplay(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(histories, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableRegistrationAliasing: true})
			if err != nil {
				t.Fatal(err)
			}
			registerWorkflows(replayer)
			if err := replayer.ReplayWorkflowHistoryFromJSONFile(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), file); err != nil {
				t.Errorf("%v\nA change of the order of steps goes through workflow.GetVersion.", err)
			}
		})
	}
}

func TestEveryKindHasARecordedHistory(t *testing.T) {
	t.Parallel()
	for _, kind := range recordedKinds {
		files, err := filepath.Glob(filepath.Join(histories, kind+"*.json"))
		if err != nil {
			t.Fatal(err)
		}
		if len(files) == 0 {
			t.Errorf("%s has no recorded history: see workflows/historytest", kind)
		}
	}
}

// A replay that cannot fail proves nothing: a history with its steps exchanged must not replay.
func TestReplayNoticesAnotherOrder(t *testing.T) {
	t.Parallel()
	history := read(t, filepath.Join(histories, "lightning-settled.json"))
	changed := false
	for _, event := range history.GetEvents() {
		if scheduled := event.GetActivityTaskScheduledEventAttributes(); scheduled != nil {
			scheduled.ActivityType.Name, changed = "PublishOnchain", true
		}
	}
	if !changed {
		t.Fatal("the history has no activity")
	}
	replayer := worker.NewWorkflowReplayer()
	registerWorkflows(replayer)
	if err := replayer.ReplayWorkflowHistory(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history); err == nil {
		t.Error("a changed history replays")
	}
}

// A saga that is cancelled with its first task never asks for a send, not even to cancel it at once.
func TestCancelledBeforeReserveNeverSends(t *testing.T) {
	t.Parallel()
	for _, event := range read(t, filepath.Join(histories, "lightning-canceled.json")).GetEvents() {
		if event.GetEventType() == enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED {
			t.Errorf("scheduled %s", event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName())
		}
	}
}

// Waiting adds nothing: a payment that was asked for often has the history of one that was asked for once.
func TestWaitingAddsNothingToTheHistory(t *testing.T) {
	t.Parallel()
	const most = 30
	if n := len(read(t, filepath.Join(histories, "lightning-waited.json")).GetEvents()); n > most {
		t.Errorf("%d events for a payment that was polled five times, want at most %d", n, most)
	}
}

func read(t *testing.T, file string) *historypb.History {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	history, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return history
}
