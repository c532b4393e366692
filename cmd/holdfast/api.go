package main

import (
	"context"

	"github.com/holdfast-pay/holdfast/cmd/holdfast/settings"
)

type apiCommand struct {
	settings.Shared
	settings.API
}

// Run serves until ctx ends, then drains and stops.
func (*apiCommand) Run(ctx context.Context, d *deps) error {
	_, err := d.settings.ForAPI()
	return err
}
