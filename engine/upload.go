package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"lsat/backbone"
)

// uploader moves weights of a model to a device.
type uploader struct {
	backend compute.Backend
	device  compute.DeviceNum
	model   *backbone.Model
	dtype   dtypes.DType
}

// upload puts the named weights under each other in one tensor on the device, of the uploader's type or, quantized, of int8 with a second
// tensor of its rows' scales.
func (u *uploader) upload(names []string, quantize bool) ([]*tensors.Tensor, error) {
	parts, dims, err := u.parts(names)
	if err != nil {
		return nil, err
	}
	defer func() {
		for _, w := range parts {
			w.Release()
		}
	}()
	if quantize {
		return u.quantized(parts, dims)
	}
	if len(parts) == 1 && parts[0].Bytes != nil && storedAs(parts[0].DType, u.dtype) && !u.backend.HasSharedBuffers() {
		t, err := tensors.FromRaw(u.backend, u.device, shapes.Make(u.dtype, dims...), parts[0].Bytes)
		return []*tensors.Tensor{t}, err
	}
	t, err := u.fill(shapes.Make(u.dtype, dims...), func(dst []byte) error {
		for _, w := range parts {
			n := elements(w) * u.dtype.Size()
			if err := read(dst[:n], w, u.dtype); err != nil {
				return err
			}
			dst = dst[n:]
		}
		return nil
	})
	return []*tensors.Tensor{t}, err
}

// parts are the named weights, and their dimensions under each other.
func (u *uploader) parts(names []string) (parts []backbone.Weight, dims []int, err error) {
	for _, name := range names {
		w, ok := u.model.Weights[name]
		switch {
		case !ok:
			return nil, nil, fmt.Errorf("the model has no tensor %q", name)
		case dims == nil:
			dims = append(dims, w.Shape...)
		case rowWidth(w) != rowWidth(parts[0]):
			return nil, nil, fmt.Errorf("%s is %v, which does not go under %v", name, w.Shape, dims)
		default:
			dims[0] += w.Shape[0]
		}
		parts = append(parts, w)
	}
	return parts, dims, nil
}

// quantized is the matrix of the parts as int8, and its rows' scales.
func (u *uploader) quantized(parts []backbone.Weight, dims []int) ([]*tensors.Tensor, error) {
	scales := make([]float32, 0, dims[0])
	t, err := u.fill(shapes.Make(dtypes.Int8, dims...), func(dst []byte) error {
		for _, w := range parts {
			err := eachRow(w, func(row []float32) {
				rotate(row)
				scales = append(scales, quantizeRow(dst[:len(row)], row))
				dst = dst[len(row):]
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s, err := u.fill(shapes.Make(dtypes.Float32, len(scales)), func(dst []byte) error {
		_, err := binary.Encode(dst, binary.NativeEndian, scales)
		return err
	})
	if err != nil {
		release(t)
		return nil, err
	}
	return []*tensors.Tensor{t, s}, nil
}

// eachRow reads a weight's rows as float32, which do may change.
func eachRow(w backbone.Weight, do func(row []float32)) error {
	step := max(1, readAtOnce/rowWidth(w))
	for from := 0; from < w.Shape[0]; from += step {
		data, err := float32Rows(w, from, min(w.Shape[0], from+step))
		if err != nil {
			return err
		}
		for row := range slices.Chunk(data, rowWidth(w)) {
			do(row)
		}
	}
	return nil
}

// rotate mixes a row's numbers in place by blocks of backbone.RotationBlock, as the activations that meet them are: a fast Walsh-Hadamard
// transform.
func rotate(row []float32) {
	n := backbone.RotationBlock(len(row))
	norm := float32(1 / math.Sqrt(float64(n)))
	for ; len(row) > 0; row = row[n:] {
		block := row[:n]
		for half := 1; half < n; half *= 2 {
			for i := range n {
				if i&half == 0 {
					block[i], block[i+half] = block[i]+block[i+half], block[i]-block[i+half]
				}
			}
		}
		for i := range block {
			block[i] *= norm
		}
	}
}

// quantizeRow writes a row as signed bytes, and returns what one of them is worth: the largest number becomes backbone.Largest.
func quantizeRow(dst []byte, row []float32) (scale float32) {
	for _, v := range row {
		scale = max(scale, float32(math.Abs(float64(v))))
	}
	if scale == 0 {
		clear(dst)
		return 0
	}
	scale /= backbone.Largest
	for i, v := range row {
		dst[i] = byte(int8(math.RoundToEven(float64(v / scale))))
	}
	return scale
}

// fill makes a tensor of what write puts into its bytes. Where host and device share memory they are the device's own: tensors.FromRaw
// would copy them from a second place.
func (u *uploader) fill(shape shapes.Shape, write func([]byte) error) (*tensors.Tensor, error) {
	if !u.backend.HasSharedBuffers() {
		data := make([]byte, shape.ByteSize())
		if err := write(data); err != nil {
			return nil, err
		}
		return tensors.FromRaw(u.backend, u.device, shape, data)
	}
	buffer, flat, err := u.backend.NewSharedBuffer(u.device, shape)
	if err != nil {
		return nil, err
	}
	t, err := tensors.FromBuffer(buffer)
	if err != nil {
		return nil, errors.Join(err, buffer.Finalize())
	}
	if err := write(dtypes.UnsafeByteSliceFromAny(flat)); err != nil {
		release(t)
		return nil, err
	}
	return t, nil
}
