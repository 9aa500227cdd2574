package main

import (
	"context"
	"fmt"
	"io"

	"lsat/dataset"
	"lsat/period"
	"lsat/study"
)

// openStream reads the ratings of a study and cuts them into periods.
func openStream(ctx context.Context, c study.Config, offline bool, stderr io.Writer) (*period.Stream, error) {
	path := c.Data.Path
	if path == "" {
		var err error
		if path, err = pulled(ctx, c.Data.Name, offline, stderr); err != nil {
			return nil, err
		}
	}
	o, err := c.DatasetOptions()
	if err != nil {
		return nil, err
	}
	set, err := dataset.Open(ctx, path, o)
	if err != nil {
		return nil, err
	}
	_, _ = fmt.Fprintln(stderr, set.Summary())
	po, err := c.StreamOptions()
	if err != nil {
		return nil, err
	}
	return period.New(set, po)
}
