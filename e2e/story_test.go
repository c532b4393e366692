package e2e_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/holdfast-pay/holdfast/payment"
	"github.com/holdfast-pay/holdfast/workflows"
)

// TestStory: what the Temporal UI shows of a held payment, and of its end.
func TestStory(t *testing.T) {
	t.Parallel()
	g := enter(t, 10_000)
	invoice, hash := g.hold(alice, 3_000)
	row := g.become(g.pay(invoice).ID, payment.Pending)
	g.held(alice, hash)

	g.listed(fmt.Sprintf("PaymentStatus = 'pending' AND AccountId = '%s'", g.account), row.ID)
	g.attributes(row.ID, map[string]any{
		"PaymentStatus": "pending", "PaymentKind": "lightning", "WalletId": g.wallet.String(), "AccountId": g.account.String(),
		"ApiKeyId": g.key.String(), "PaymentHash": hash.String(), "LndNode": bank, "AmountSat": float64(3_000),
	})
	if summary := g.summary(row.ID); summary != "3,000 sat to "+invoice[:24]+"…, key 'shop'" {
		t.Errorf("the summary is %q", summary)
	}
	g.details(row.ID, "**pending**", "`bank`", "HTLC")

	g.cancelHold(alice, hash)
	g.failed(row, payment.Failed, payment.ReasonRejected)
	g.listed(fmt.Sprintf("PaymentStatus = 'failed' AND AccountId = '%s' AND ExecutionStatus = 'Completed'", g.account), row.ID)
	g.details(row.ID, "**failed**", "REJECTED")
	g.listed(fmt.Sprintf("PaymentStatus = 'pending' AND AccountId = '%s'", g.account))
}

// listed waits until a visibility query finds exactly these payments.
func (g *guest) listed(query string, want ...payment.ID) {
	g.t.Helper()
	until(g.t, "visibility of "+query, func() error {
		answer, err := g.temporal.ListWorkflow(g.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		if err != nil {
			return err
		}
		var got []string
		for _, found := range answer.GetExecutions() {
			got = append(got, found.GetExecution().GetWorkflowId())
		}
		for _, id := range want {
			if len(got) != len(want) || got[0] != id.String() {
				return fmt.Errorf("found %v, want %v", got, want)
			}
		}
		if len(got) != len(want) {
			return fmt.Errorf("found %v, want %v", got, want)
		}
		return nil
	})
}

func (g *guest) describe(id payment.ID) *workflowservice.DescribeWorkflowExecutionResponse {
	g.t.Helper()
	described, err := g.temporal.DescribeWorkflowExecution(g.t.Context(), id.String(), "")
	must(g.t, err)
	return described
}

func (g *guest) attributes(id payment.ID, want map[string]any) {
	g.t.Helper()
	fields := g.describe(id).GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()
	for name := range workflows.SearchAttributeTypes() {
		var got any
		must(g.t, decode(fields[name], &got))
		if fmt.Sprint(got) != fmt.Sprint(want[name]) {
			g.t.Errorf("search attribute %s is %v, want %v", name, got, want[name])
		}
	}
}

func (g *guest) summary(id payment.ID) (text string) {
	g.t.Helper()
	must(g.t, decode(g.describe(id).GetExecutionConfig().GetUserMetadata().GetSummary(), &text))
	return text
}

// details expects words in the current details, which the UI asks of the workflow.
func (g *guest) details(id payment.ID, words ...string) {
	g.t.Helper()
	until(g.t, fmt.Sprintf("details with %q", words), func() error {
		answer, err := g.temporal.QueryWorkflowWithOptions(g.t.Context(), &client.QueryWorkflowWithOptionsRequest{
			WorkflowID: id.String(), QueryType: "__temporal_workflow_metadata", QueryRejectCondition: enumspb.QUERY_REJECT_CONDITION_NONE,
		})
		if err != nil {
			return err
		}
		var metadata sdkpb.WorkflowMetadata
		if err := answer.QueryResult.Get(&metadata); err != nil {
			return err
		}
		for _, word := range words {
			if !strings.Contains(metadata.GetCurrentDetails(), word) {
				return fmt.Errorf("they are %q", metadata.GetCurrentDetails())
			}
		}
		return nil
	})
}

func decode(value *commonpb.Payload, into any) error {
	if value == nil {
		return errors.New("it is not set")
	}
	return converter.GetDefaultDataConverter().FromPayload(value, into)
}
