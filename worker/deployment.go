package worker

import (
	"context"
	"errors"
	"slices"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/holdfast-pay/holdfast/payment"
)

// deployment is how Temporal calls our fleet: its versions are the builds.
const deployment = "holdfast"

// NoBuild stands for workers that were started without a build.
const NoBuild = "none"

// What a workflow does when another build is promoted (docs/decisions/2026-11-24-worker-versions.md).
const (
	staysOnItsBuild  = workflow.VersioningBehaviorPinned
	followsPromotion = workflow.VersioningBehaviorAutoUpgrade
)

// versioned are the options of a worker of a build; none: of the only one there is.
func versioned(build string) worker.DeploymentOptions {
	if build == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{UseVersioning: true, Version: worker.WorkerDeploymentVersion{DeploymentName: deployment, BuildID: build}}
}

// Build is a build of the worker that Temporal has met.
type Build struct {
	ID      string
	Status  string // current, ramping, draining (pinned work of it is still open), drained, or waiting to be promoted
	Created time.Time
}

// Builds lists the builds, newest first. Errors: ReasonUnavailable.
func Builds(ctx context.Context, temporal client.Client) ([]Build, error) {
	described, err := temporal.WorkerDeploymentClient().GetHandle(deployment).Describe(ctx, client.WorkerDeploymentDescribeOptions{})
	if _, none := errors.AsType[*serviceerror.NotFound](err); none {
		return nil, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	var out []Build
	for _, version := range described.Info.VersionSummaries {
		out = append(out, Build{
			ID: version.Version.BuildID, Created: version.CreateTime, Status: statusOf(version, described.Info.RoutingConfig),
		})
	}
	slices.SortFunc(out, func(a, b Build) int { return b.Created.Compare(a.Created) })
	return out, nil
}

func statusOf(version client.WorkerDeploymentVersionSummary, routing client.WorkerDeploymentRoutingConfig) string {
	is := func(other *worker.WorkerDeploymentVersion) bool { return other != nil && *other == version.Version }
	switch {
	case is(routing.CurrentVersion):
		return "current"
	case is(routing.RampingVersion):
		return "ramping"
	case version.DrainageStatus == client.WorkerDeploymentVersionDrainageStatusDraining:
		return "draining"
	case version.DrainageStatus == client.WorkerDeploymentVersionDrainageStatusDrained:
		return "drained"
	default:
		return "waiting"
	}
}

// Promote gives a build all new work, and that which follows. It refuses a build that serves fewer queues than the one before,
// or that nobody runs. NoBuild: the workers that have none. Errors: ReasonInvalidInput, ReasonUnavailable.
func Promote(ctx context.Context, temporal client.Client, build string) error {
	switch build {
	case "":
		return payment.Errorf(payment.ReasonInvalidInput, "No build is named. `holdfast deployment list` tells which there are.")
	case NoBuild:
		build = ""
	}
	handle := temporal.WorkerDeploymentClient().GetHandle(deployment)
	_, err := handle.SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
	if _, none := errors.AsType[*serviceerror.NotFound](err); none {
		return payment.Errorf(payment.ReasonInvalidInput, "Temporal has met no worker of build %q. Start one with --build-id %s first.", build, build).Because(err)
	}
	if _, refused := errors.AsType[*serviceerror.FailedPrecondition](err); refused {
		return payment.Errorf(payment.ReasonInvalidInput,
			"Build %q was not promoted: no worker of it runs, or it does not serve all queues that the present build serves. Start its workers, one for each node, and try again.",
			build).Because(err)
	}
	if err != nil {
		return unavailable(err)
	}
	return nil
}

func unavailable(err error) error {
	return payment.Errorf(payment.ReasonUnavailable, "Temporal did not answer. Check that it runs and try again.").Because(err)
}
