package device

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// chained is how many products one measured execution has: enough that starting it does not count.
const chained = 4

// Speed measures a device with square matrix products of n x n in a data type, for about the given time, and returns the best
// 10^9 floating-point operations per second. The first execution, which compiles, does not count.
func Speed(ctx context.Context, b compute.Backend, dtype dtypes.DType, n int, budget time.Duration) (gflops float64, err error) {
	defer func() { // GoMLX reports by panics what a backend cannot do
		if r := recover(); r != nil {
			err = fmt.Errorf("%s: %v", dtype, r)
		}
	}()
	exec, err := graph.NewExec(b, func(x *graph.Node) *graph.Node {
		x = graph.ConvertDType(x, dtype)
		y := x
		for range chained {
			y = graph.Dot(y, x).Product()
		}
		return graph.ConvertDType(graph.ReduceAllMax(y), dtypes.Float32)
	})
	if err != nil {
		return 0, err
	}
	defer exec.Finalize()
	values := make([]float32, n*n)
	for i := range values {
		values[i] = float32(i%7-3) / float32(n)
	}
	input := tensors.FromFlatDataAndDimensions(values, n, n)
	defer func() { _ = input.FinalizeAll() }()
	var best time.Duration
	end := time.Now().Add(budget)
	for i := 0; i < 4 || time.Now().Before(end); i++ {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		start := time.Now()
		out, err := exec.Call1(input)
		if err != nil {
			return 0, err
		}
		if err := out.FinalizeAll(); err != nil {
			return 0, err
		}
		if took := time.Since(start); i > 0 && (best == 0 || took < best) {
			best = took
		}
		if i == 0 {
			end = time.Now().Add(budget)
		}
	}
	return 2 * chained * float64(n) * float64(n) * float64(n) / best.Seconds() / 1e9, nil
}
