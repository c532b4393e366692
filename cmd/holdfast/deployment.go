package main

import (
	"context"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/worker"
)

type deploymentCommands struct {
	List    deploymentList    `cmd:"" help:"List the builds of the worker that Temporal has met, newest first."`
	Promote deploymentPromote `cmd:"" help:"Give new work, and what waits for long, to the workers of a build. The build before ends what it began."`
}

type deploymentList struct{}

// Run lists the builds.
func (c *deploymentList) Run(ctx context.Context, d *deps) error {
	temporal, err := d.connectTemporal(ctx)
	if err != nil {
		return err
	}
	builds, err := worker.Builds(ctx, temporal)
	if err != nil {
		return err
	}
	views := make([]show.Build, len(builds))
	rows := make([][]string, len(builds))
	for i, b := range builds {
		views[i] = show.Build{ID: b.ID, Status: b.Status, CreatedAt: b.Created}
		rows[i] = []string{b.ID, b.Status, show.Time(b.Created)}
	}
	return d.print.List(views, []string{"BUILD", "STATUS", "FIRST SEEN"}, rows)
}

type deploymentPromote struct {
	Build string `arg:"" help:"The build, as its workers were told by --build-id; none: the workers without one."`
}

// Run promotes the build and lists all.
func (c *deploymentPromote) Run(ctx context.Context, d *deps) error {
	temporal, err := d.connectTemporal(ctx)
	if err != nil {
		return err
	}
	if err := worker.Promote(ctx, temporal, c.Build); err != nil {
		return err
	}
	return (&deploymentList{}).Run(ctx, d)
}
