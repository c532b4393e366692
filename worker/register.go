package worker

import (
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/activities"
	"github.com/holdfast-pay/holdfast/activities/step"
	"github.com/holdfast-pay/holdfast/workflows"
)

// sagas are the types of the workflows that are one payment each.
func sagas() []string { return []string{lightning, onchain, intraledger} }

const lightning, onchain, intraledger = "Lightning", "Onchain", "Intraledger"

// registerPayments joins the sagas and their transactions to the payments queue.
func registerPayments(w worker.Registry, l *activities.LedgerSteps) {
	registerWorkflow(w, followsPromotion, lightning, workflows.Lightning)
	registerWorkflow(w, followsPromotion, onchain, workflows.Onchain)
	registerWorkflow(w, staysOnItsBuild, intraledger, workflows.Intraledger)
	registerWorkflow(w, followsPromotion, "BudgetLock", workflows.BudgetLock)
	registerWorkflow(w, staysOnItsBuild, "CreateInvoice", workflows.CreateInvoice)
	registerWorkflow(w, staysOnItsBuild, "CreateAddress", workflows.CreateAddress)
	registerWorkflow(w, staysOnItsBuild, "CancelInvoice", workflows.CancelInvoice)
	registerWorkflow(w, staysOnItsBuild, "ProbeFee", workflows.ProbeFee)
	registerWorkflow(w, staysOnItsBuild, "EstimateFee", workflows.EstimateFee)
	registerActivity(w, step.Reserve, l.Reserve)
	registerActivity(w, step.Transfer, l.Transfer)
	registerActivity(w, step.Settle, l.Settle)
	registerActivity(w, step.Void, l.Void)
	registerActivity(w, step.LockBudget, l.LockBudget)
	registerActivity(w, step.AskLock, l.AskLock)
	registerActivity(w, step.ReleaseLock, l.ReleaseLock)
}

// registerWatchers joins what keeps the house to the watchers queue.
func registerWatchers(w worker.Registry, u *activities.UpkeepSteps, d *activities.DispatchSteps) {
	registerWorkflow(w, followsPromotion, "WatchNode", workflows.WatchNode)
	registerWorkflow(w, followsPromotion, "Reconcile", workflows.Reconcile)
	registerWorkflow(w, followsPromotion, "ReconcileNode", workflows.ReconcileNode)
	registerActivity(w, step.RepairOrphans, u.RepairOrphans)
	registerActivity(w, step.KeepLedger, u.KeepLedger)
	registerWorkflow(w, followsPromotion, "DispatchCallbacks", workflows.DispatchCallbacks)
	registerActivity(w, step.DispatchCallbacks, d.DispatchCallbacks)
}

// registerCallbacks joins what calls strangers' servers to a queue of its own.
func registerCallbacks(w worker.Registry, c *activities.CallbackSteps) {
	registerWorkflow(w, followsPromotion, "DeliverCallback", workflows.DeliverCallback)
	registerActivity(w, step.TellCallback, c.TellCallback)
	registerActivity(w, step.DropCallback, c.DropCallback)
}

// registerNode joins the steps that need one LND node to that node's queue.
func registerNode(w worker.ActivityRegistry, n *activities.NodeSteps, watch *activities.WatchSteps) {
	registerActivity(w, step.SendLightning, n.SendLightning)
	registerActivity(w, step.FollowLightning, n.FollowLightning)
	registerActivity(w, step.AbandonLightning, n.AbandonLightning)
	registerActivity(w, step.CloseInvoice, n.CloseInvoice)
	registerActivity(w, step.EstimateOnchain, n.EstimateOnchain)
	registerActivity(w, step.SignOnchain, n.SignOnchain)
	registerActivity(w, step.PublishOnchain, n.PublishOnchain)
	registerActivity(w, step.AskOnchain, n.AskOnchain)
	registerActivity(w, step.FollowOnchain, n.FollowOnchain)
	registerActivity(w, step.AbandonOnchain, n.AbandonOnchain)
	registerActivity(w, step.BumpOnchain, n.BumpOnchain)
	registerActivity(w, step.ReleaseInputs, n.ReleaseInputs)
	registerActivity(w, step.AddInvoice, n.AddInvoice)
	registerActivity(w, step.AddAddress, n.AddAddress)
	registerActivity(w, step.CancelInvoice, n.CancelInvoice)
	registerActivity(w, step.ProbeFee, n.ProbeFee)
	registerActivity(w, step.WatchNode, watch.WatchNode)
	registerActivity(w, step.CompareNode, n.CompareNode)
}

func registerWorkflow(w worker.WorkflowRegistry, when workflow.VersioningBehavior, name string, fn any) {
	w.RegisterWorkflowWithOptions(fn, workflow.RegisterOptions{Name: name, VersioningBehavior: when})
}

func registerActivity(w worker.ActivityRegistry, name string, fn any) {
	w.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
}
