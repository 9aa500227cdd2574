package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"lsat/backbone"
	"lsat/catalog"
	"lsat/device"
	"lsat/engine"
)

// pulled returns where an entry of the catalogue lies, getting it first where it must.
func pulled(ctx context.Context, name string, offline bool, stderr io.Writer) (string, error) {
	r, err := catalog.Pull(ctx, name, catalog.Options{Offline: offline, Progress: newProgress(stderr)})
	if err != nil {
		return "", err
	}
	if !r.Cached {
		tellPulled(stderr, name, r)
	}
	return r.Main, nil
}

// opened is a backbone on a device.
type opened struct {
	model  *backbone.Model
	engine *engine.Engine
}

// close releases the model. A nil one is closed already.
func (o *opened) close() {
	if o != nil {
		_ = o.model.Close() // it was only read
	}
}

// openModel opens a backbone, a name of the catalogue or a path, on a device.
func openModel(ctx context.Context, name, deviceName, dtype string, offline bool, stderr io.Writer) (*opened, error) {
	path, err := modelPath(ctx, name, offline, stderr)
	if err != nil {
		return nil, err
	}
	b, on, notice, err := device.Open(deviceName)
	if err != nil {
		return nil, err
	}
	if notice != "" {
		_, _ = fmt.Fprintln(stderr, notice)
	}
	m, err := backbone.Load(ctx, path, backbone.Options{Name: name})
	if err != nil {
		return nil, err
	}
	if dtype == "auto" {
		dtype = device.DType(on)
	}
	e, err := engine.New(ctx, m, b, engine.Options{DType: dtype})
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	_, _ = fmt.Fprintf(stderr, "%s on %s (%s)\n", name, on, e.Numerics())
	return &opened{model: m, engine: e}, nil
}

// modelPath is the path of a model by name or by path. A name of the catalogue wins over a file of the same name, which ./NAME still reaches.
func modelPath(ctx context.Context, name string, offline bool, stderr io.Writer) (string, error) {
	_, err := catalog.Lookup(name)
	if err == nil {
		return pulled(ctx, name, offline, stderr)
	}
	if _, statErr := os.Stat(name); statErr == nil {
		return name, nil
	}
	if strings.ContainsAny(name, `/\`) && !strings.HasPrefix(name, "hf:") {
		return "", fmt.Errorf("backbone %s: no such file or directory", name)
	}
	return "", fmt.Errorf("backbone %w", err)
}
