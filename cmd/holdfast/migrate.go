package main

import (
	"context"
	"strconv"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
	"github.com/holdfast-pay/holdfast/cmd/holdfast/show"
	"github.com/holdfast-pay/holdfast/ledger"
)

type migrateCommands struct {
	Up     migrateUp     `cmd:"" help:"Bring the schema to the newest version."`
	Down   migrateDown   `cmd:"" help:"Take the newest migration back, with its data."`
	Status migrateStatus `cmd:"" help:"List the migrations."`
}

type migrateUp struct{}

// Run migrates up and lists the migrations.
func (migrateUp) Run(ctx context.Context, d *deps) error {
	if err := d.migrate(ctx, ledger.MigrateUp); err != nil {
		return err
	}
	return migrateStatus{}.Run(ctx, d)
}

type migrateDown struct {
	Yes bool `help:"Confirm that the data of the migration may be lost."`
}

// Run migrates down by one and lists the migrations.
func (c migrateDown) Run(ctx context.Context, d *deps) error {
	if !c.Yes {
		return show.Exit{Code: show.Usage, Message: "This takes the newest migration back and loses its data. Repeat with --yes."}
	}
	if err := d.migrate(ctx, ledger.MigrateDown); err != nil {
		return err
	}
	return migrateStatus{}.Run(ctx, d)
}

type migrateStatus struct{}

// Run lists the migrations, oldest first.
func (migrateStatus) Run(ctx context.Context, d *deps) error {
	url, err := d.settings.Need(settings.DatabaseURL)
	if err != nil {
		return err
	}
	all, err := ledger.MigrateStatus(ctx, url)
	if err != nil {
		return migrationError(err)
	}
	views := make([]map[string]any, len(all))
	rows := make([][]string, len(all))
	for i, m := range all {
		views[i] = map[string]any{"version": m.Version, "name": m.Name, "applied": m.Applied}
		applied := "not applied"
		if m.Applied {
			applied = show.Time(m.AppliedAt)
			views[i]["applied_at"] = m.AppliedAt.UTC()
		}
		rows[i] = []string{strconv.FormatInt(m.Version, 10), m.Name, applied}
	}
	return d.print.List(views, []string{"VERSION", "NAME", "APPLIED"}, rows)
}
