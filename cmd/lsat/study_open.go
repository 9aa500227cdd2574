package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gomlx/compute"

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
	model   *backbone.Model
	engine  *engine.Engine
	backend compute.Backend
}

// close releases the model. A nil one is closed already.
func (o *opened) close() {
	if o != nil {
		_ = o.model.Close() // it was only read
	}
}

// modelOptions say which backbone is opened, and how.
type modelOptions struct {
	// name is of the catalogue, or a path.
	name, device, dtype, quantize string
	offline                       bool
	devices                       int
	// memory is what engine.ParseMemory takes; rows and batches are engine.Options'.
	memory                 string
	rowTokens, batchTokens int
	// train says that the engine is going to be trained with, on batches as large as they may be.
	train bool
}

// openModel opens a backbone on a device. What is sure not to fit into memory is refused before it is loaded.
func openModel(ctx context.Context, o modelOptions, stderr io.Writer) (*opened, error) {
	limit, err := engine.ParseMemory(o.memory)
	if err != nil {
		return nil, err
	}
	path, err := modelPath(ctx, o.name, o.offline, stderr)
	if err != nil {
		return nil, err
	}
	b, on, notice, err := device.Open(o.device)
	if err != nil {
		return nil, err
	}
	if notice != "" {
		_, _ = fmt.Fprintln(stderr, notice)
	}
	opts := engine.Options{DType: o.dtype, Quantize: o.quantize, Devices: o.devices, RowTokens: o.rowTokens, BatchTokens: o.batchTokens, MemoryLimit: limit}
	if err := opts.CheckDevices(b); err != nil {
		return nil, err
	}
	if o.dtype == "auto" {
		opts.DType = device.DType(on)
	}
	if limit == 0 {
		opts.MemoryLimit, _ = device.Memory(ctx, on) // 0, the engine's own default, where it cannot be told
	}
	if err := checkMemory(path, opts, on, o.train); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	m, err := backbone.Load(ctx, path, backbone.Options{Name: o.name})
	if err != nil {
		return nil, err
	}
	e, err := engine.New(ctx, m, b, opts)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	_, _ = fmt.Fprintf(stderr, "%s on %s (%s)\n", o.name, on, e.Numerics())
	return &opened{model: m, engine: e, backend: b}, nil
}

// checkMemory refuses a model that cannot be loaded and, for training, one that cannot train on a single row: how many rows there are
// depends on the prompts or samples, and the engine looks at each batch.
func checkMemory(path string, opts engine.Options, on string, train bool) error {
	c, err := backbone.Peek(path)
	if err != nil {
		return err
	}
	if on == device.XLACUDA { // each has memory of its own
		opts.Devices = 1
	}
	w := engine.Work{DType: opts.DType, Quantize: opts.Quantize, Devices: opts.Devices}
	if train {
		w = opts.FullBatch(true)
		w.Rows = 1
	}
	return engine.CheckMemory(c, w, opts.MemoryLimit)
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
