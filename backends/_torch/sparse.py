"""A convolution and the max-pool behind it, trained without multiplying the zeros that pooling leaves in a gradient.

Of each window of a max-pool one value has a gradient: at least three of four values of the convolution's gradient are
zeros, which torch multiplies like any other. Here each value that is none adds its multiple of a row of weights to
the images' gradient, and its multiple of a row of the images to the weights'. A row is kernel x channel floats side by
side, and what it is added to stays in registers from the first row to the last. The sums are the same in another
order, the same one every time.

The loops are compiled by Numba.
"""

from collections import namedtuple

import numba
import numpy as np
import torch
from _torch import row_sums
from torch.nn import functional

_SIGNATURE = "void(float32[:,:,:,::1], int64[:,:,:,::1], float32[:,:,:,::1], float32[:,:,:,::1])"

Gradients = namedtuple("Gradients", "channels width kernel size add_images add_weight")  # made by `compiled`


class PooledConvolution(torch.autograd.Function):
    """Max-pooling of a convolution without bias; all float32, channels last, and so are the gradients."""

    @staticmethod
    def forward(ctx, images, weight, gradients):
        """images: (image, channel, height, width). weight: (out, channel, kernel, kernel). gradients: `Gradients`."""
        made_for = gradients.channels, gradients.width, gradients.kernel
        if (images.shape[1], images.shape[3], weight.shape[2]) != made_for:  # its loops would write elsewhere
            raise ValueError("gradients compiled for (channels, width, kernel) = {}".format(made_for))
        convolved = functional.conv2d(images, weight)
        pooled, places = functional.max_pool2d(convolved, gradients.size, return_indices=True)
        ctx.save_for_backward(images, weight, places)
        ctx.gradients = gradients
        return pooled

    @staticmethod
    def backward(ctx, gradient):
        images, weight, places = ctx.saved_tensors
        given = _laid_out(gradient), _laid_out(places)
        of_images, of_weight = (
            None,
            torch.zeros_like(weight, memory_format=torch.channels_last),
        )  # or it would be copied
        if ctx.needs_input_grad[0]:
            of_images = torch.zeros_like(images, memory_format=torch.channels_last)
            ctx.gradients.add_images(*given, _laid_out(weight), _laid_out(of_images))
        ctx.gradients.add_weight(*given, _laid_out(images), _laid_out(of_weight))
        return of_images, of_weight, None


def _laid_out(tensor):
    """An array of the tensor's numbers as they lie in memory, channels last."""
    return tensor.contiguous(memory_format=torch.channels_last).permute(0, 2, 3, 1).detach().numpy()


def compiled(channels, width, kernel, size):
    """Return the `Gradients` for images of so many channels that are `width` wide, a kernel and a pool of `size`.

    Its functions add to the gradient of the images, and to that of the weights. They take (gradient, places, factor,
    added_to), all channels last: the gradient of what was pooled, float32 (image, height, width, out); the place of
    each of its values in the convolution's image, int64, as torch tells it; the weights or the images, float32; and
    where to add.
    """
    convolved = width - kernel + 1
    row = kernel * channels
    windows = size * size
    add = row_sums.adder(row)

    @numba.njit
    def top_and_left(place):
        top = np.int64(np.uint32(place) // np.uint32(convolved))  # a signed division takes several times as long
        return top, place - top * convolved

    @numba.njit(_SIGNATURE)
    def add_images(gradient, places, weight, added_to):
        image_height = added_to.shape[1]
        images, height, across, outs = gradient.shape
        starts = np.empty((windows, outs), np.int64)  # of rows of weights, by the place in the window that they go from
        factors = np.empty((windows, outs), np.float32)
        counts = np.empty(windows, np.int64)
        for image in range(images):
            for y in range(height):
                for x in range(across):
                    counts[:] = 0
                    for out in range(outs):
                        top, left = top_and_left(places[image, y, x, out])
                        own = (top - size * y) * size + left - size * x
                        starts[own, counts[own]] = out * kernel * row
                        factors[own, counts[own]] = gradient[image, y, x, out]
                        counts[own] += gradient[image, y, x, out] != 0
                    for own in range(windows):
                        top, left = size * y + own // size, size * x + own % size
                        for down in range(kernel):
                            to = ((image * image_height + top + down) * width + left) * channels
                            add(added_to, to, weight, down * row, starts[own], factors[own], counts[own])

    @numba.njit(_SIGNATURE)
    def add_weight(gradient, places, images, added_to):
        image_height = images.shape[1]
        count, height, across, outs = gradient.shape
        starts = np.empty((outs, across), np.int64)  # of rows of an image, by the output that they become a part of
        factors = np.empty((outs, across), np.float32)
        counts = np.empty(outs, np.int64)
        for image in range(count):
            for y in range(height):
                counts[:] = 0
                for x in range(across):
                    for out in range(outs):
                        top, left = top_and_left(places[image, y, x, out])
                        starts[out, counts[out]] = (top * width + left) * channels
                        factors[out, counts[out]] = gradient[image, y, x, out]
                        counts[out] += gradient[image, y, x, out] != 0
                for out in range(outs):
                    for down in range(kernel):
                        to = (out * kernel + down) * row
                        start = (image * image_height + down) * width * channels
                        add(added_to, to, images, start, starts[out], factors[out], counts[out])

    return Gradients(channels, width, kernel, size, add_images, add_weight)
