package starter

import (
	"context"
	"encoding/hex"
	"errors"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/holdfast-pay/holdfast/ledger"
	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// Start starts the saga of a complete request, or joins the one that runs, or finds the one that has ended. It answers
// with the payment's row: terminal, or pending after Config.Wait. Errors: see Answers and errors.
func (s *Starter) Start(ctx context.Context, req payment.Request) (ledger.Payment, error) {
	row, err := s.ledger.Payment(ctx, req.ID)
	switch {
	case err == nil && row.State.Terminal():
		return sameBody(req, row)
	case err == nil:
		if _, err := sameBody(req, row); err != nil {
			return ledger.Payment{}, err
		}
		req = row.Asked() // as it was placed then: the workflow may have to be started again
	case !payment.IsReason(err, payment.ReasonPaymentNotFound):
		return ledger.Payment{}, err // the ledger is away: closed, never open
	}
	row, lost, err := s.launch(ctx, req, enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE)
	if lost { // without a row nothing has moved (rule 1), and the next run reserves once
		s.log.Warn("the workflow was ended before its payment had a row: started again", "payment_id", req.ID.String())
		row, _, err = s.launch(ctx, req, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE)
	}
	return row, err
}

// launch starts the saga, or joins the one that runs, and answers. Lost is a payment whose workflow was ended and left no row.
func (s *Starter) launch(ctx context.Context, req payment.Request, reuse enumspb.WorkflowIdReusePolicy) (row ledger.Payment, lost bool, err error) {
	outcome, err := s.updateWithStart(ctx, req, reuse)
	if err != nil {
		return ledger.Payment{}, false, err
	}
	return s.answer(ctx, req, outcome)
}

// answer reads the row behind an outcome. A payment that has not reached the ledger yet is pending by its request.
func (s *Starter) answer(ctx context.Context, req payment.Request, outcome payment.Outcome) (row ledger.Payment, lost bool, err error) {
	row, err = s.ledger.Payment(ctx, req.ID)
	if err == nil {
		row, err = sameBody(req, row)
		return row, false, err
	}
	brokenOff, startErr := s.started(ctx, req)
	if startErr != nil {
		return ledger.Payment{}, false, startErr
	}
	if payment.IsReason(err, payment.ReasonPaymentNotFound) && outcome.Failure != nil {
		return ledger.Payment{}, false, &payment.Error{Failure: *outcome.Failure}
	}
	if brokenOff {
		if row, err = s.ledger.Payment(ctx, req.ID); err == nil { // it ended since we looked
			row, err = sameBody(req, row)
			return row, false, err
		}
		lost = payment.IsReason(err, payment.ReasonPaymentNotFound)
	}
	// The saga is under way, and its row is not there yet or cannot be read: what happened is unknown, and the id finds it.
	return ledger.Payment{Request: req, State: payment.Pending}, lost, nil
}

// memoBody is the memo that holds what was asked, so that another body of the same idempotency key is told before there is
// a row to compare with.
const memoBody = "body"

func memoOf(req payment.Request) map[string]any { return map[string]any{memoBody: bodyOf(req)} }

// bodyOf is what was asked, by whatever credentials: an idempotency key is the account's, and a client whose API key was
// replaced must still learn what became of its payment.
func bodyOf(req payment.Request) string {
	req.KeyID = payment.KeyID{}
	body := req.Fingerprint()
	return hex.EncodeToString(body[:])
}

// sameMemo also takes what earlier builds wrote: the body with the API key.
func sameMemo(memo string, req payment.Request) bool {
	withKey := req.Fingerprint()
	return memo == bodyOf(req) || memo == hex.EncodeToString(withKey[:])
}

// started reports an error unless Temporal has the payment's workflow, with the same body: a call that was not answered in
// time may not have arrived, and only what is durable is accepted (rule 13). Broken off is a workflow that somebody ended; one
// that has come to its end had a row, and if the ledger lost that, the payment may not be made again.
func (s *Starter) started(ctx context.Context, req payment.Request) (brokenOff bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	described, err := s.temporal.DescribeWorkflowExecution(ctx, req.ID.String(), "")
	if err != nil {
		return false, unreachable(err)
	}
	var body string
	info := described.GetWorkflowExecutionInfo()
	memo := info.GetMemo().GetFields()[memoBody]
	if err := s.cfg.Payloads.FromPayload(memo, &body); err != nil {
		return false, unreachable(err) // sealed with a key that is not here: whether the body is another is not known
	}
	if !sameMemo(body, req) {
		return false, otherBody()
	}
	switch info.GetStatus() { //nolint:exhaustive // the others are open, or have an outcome
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED,
		enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return true, nil
	}
	return false, nil
}

func unreachable(cause error) *payment.Error {
	return payment.Errorf(payment.ReasonOutcomeUnknown,
		"The payment service is not reachable, and it is not known whether this payment was started. Repeat the call with the same idempotency key to learn whether it was started.").Because(cause)
}

// updateWithStart is one round trip: it starts the workflow or finds the running one, and waits for the fixed update.
// A zero outcome means that there is nothing to tell yet.
func (s *Starter) updateWithStart(ctx context.Context, req payment.Request, reuse enumspb.WorkflowIdReusePolicy) (payment.Outcome, error) {
	options, err := s.startOptions(ctx, req)
	if err != nil {
		return payment.Outcome{}, err
	}
	options.WorkflowIDReusePolicy = reuse
	start := s.temporal.NewWithStartWorkflowOperation(options, workflowOf(req.Kind), req)
	waitCtx, cancel := context.WithTimeout(ctx, s.cfg.Wait)
	defer cancel()
	handle, err := s.temporal.UpdateWithStartWorkflow(waitCtx, client.UpdateWithStartWorkflowOptions{
		StartWorkflowOperation: start,
		UpdateOptions: client.UpdateWorkflowOptions{
			UpdateID: workflows.UpdateOutcome, UpdateName: workflows.UpdateOutcome, WaitForStage: client.WorkflowUpdateStageAccepted,
		},
	})
	var outcome payment.Outcome
	if err == nil {
		err = handle.Get(waitCtx, &outcome)
	}
	return outcome, s.startError(ctx, req, err)
}

// startError forgives what does not mean that the payment was not started.
func (s *Starter) startError(ctx context.Context, req payment.Request, err error) error {
	if err == nil || ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	_, timedOut := errors.AsType[*client.WorkflowUpdateServiceTimeoutOrCanceledError](err)
	_, ended := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err)
	_, gone := errors.AsType[*serviceerror.NotFound](err) // ended between start and update
	_, applied := errors.AsType[*temporal.ApplicationError](err)
	switch {
	case timedOut, ended, gone, applied, errors.Is(err, context.DeadlineExceeded):
		s.log.Debug("no outcome yet", "payment_id", req.ID.String(), "error", err)
		return nil
	}
	s.log.Warn("Temporal did not answer a start", "payment_id", req.ID.String(), "error", err)
	_, err = s.started(ctx, req)
	return err
}

func (s *Starter) startOptions(ctx context.Context, req payment.Request) (client.StartWorkflowOptions, error) {
	keyName := ""
	if req.KeyID != (payment.KeyID{}) {
		if key, err := s.ledger.Key(ctx, req.KeyID); err == nil && key.AccountID == req.AccountID {
			keyName = key.Name
		}
	}
	return client.StartWorkflowOptions{
		ID:                       req.ID.String(),
		TaskQueue:                workflows.PaymentsQueue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    workflows.Attributes(req),
		StaticSummary:            workflows.Summary(req, keyName),
		Memo:                     memoOf(req),
		Priority:                 temporal.Priority{FairnessKey: req.AccountID.String()},
	}, nil
}

// workflowOf is the saga of each kind.
func workflowOf(kind payment.Kind) any {
	switch kind {
	case payment.Lightning:
		return workflows.Lightning
	case payment.Onchain:
		return workflows.Onchain
	default:
		return workflows.Intraledger
	}
}

// Resume gives a payment that is not terminal and has lost its workflow a new one with the same id. The saga's steps are
// idempotent, so it goes on where the row says.
func (s *Starter) Resume(ctx context.Context, row ledger.Payment) (restarted bool, err error) {
	described, err := s.temporal.DescribeWorkflowExecution(ctx, row.ID.String(), "")
	_, gone := errors.AsType[*serviceerror.NotFound](err)
	switch {
	case err != nil && !gone:
		return false, err
	case err == nil && described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return false, nil
	}
	options, err := s.startOptions(ctx, row.Asked())
	if err != nil {
		return false, err
	}
	options.WorkflowIDReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	_, err = s.temporal.ExecuteWorkflow(ctx, options, workflowOf(row.Kind), row.Asked())
	s.log.Warn("workflow started again", "payment_id", row.ID.String(), "node", row.Node, "state", row.State, "error", err)
	return err == nil, err
}
