package engine

import (
	"context"
	"errors"
	"slices"
	"testing"

	"lsat/device"
)

// Several devices side by side give the bits of one: batches are the same, and gradients are added up in their order.
func TestDevicesAgreeWithOne(t *testing.T) {
	b, _, _, err := device.Open(device.XLACPU)
	if err != nil {
		t.Skip(err)
	}
	there := b.NumDevices()
	if there < 2 {
		t.Skipf("%s shows %d device", b.Name(), there)
	}
	cfg := smallConfigs()["llama"]
	m := randomModel(cfg, 5)
	opts := Options{RowTokens: 64, BatchTokens: 128}
	one := newEngine(t, m, b, opts)
	a, err := randomAdapter(one.AdapterShapes(), allModules(), 9)
	if err != nil {
		t.Fatal(err)
	}
	seqs := randomSequences(17, cfg.Vocab, 3)
	count := func() int { return len(pack(seqs, one.packing(false, false))) }
	for count() < 3 || count()%2 == 0 { // so that one device is idle in the end
		seqs = append(seqs, seqs[0])
	}
	wantScores := scoreAll(t, one, seqs, a)
	wantLoss, want := gradient(t, one, seqs, a)
	const n = 2
	opts.Devices = n
	e := newEngine(t, m, b, opts)
	if got := scoreAll(t, e, seqs, a); !slices.Equal(got, wantScores) {
		t.Errorf("%d devices: log-odds %v, one gives %v", n, got, wantScores)
	}
	if loss, grad := gradient(t, e, seqs, a); loss != wantLoss || !slices.Equal(grad, want) {
		t.Errorf("%d devices: loss %v, one gives %v; the same gradient: %v", n, loss, wantLoss, slices.Equal(grad, want))
	}
	if e.Numerics() != one.Numerics() {
		t.Errorf("%d devices have numerics of their own, %s, though their bits are the same", n, e.Numerics())
	}
	for _, n := range []int{-1, there + 1} {
		if _, err := New(context.Background(), m, b, Options{Devices: n}); !errors.Is(err, ErrDevices) {
			t.Errorf("%d of %d devices: %v", n, there, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	opts.Devices = 2
	if _, err := newEngine(t, m, b, opts).Score(ctx, seqs, answers, a, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
